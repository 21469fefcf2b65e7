"""The model card of a run, as Mitchell et al. 2019 ask for it, doi:10.1145/3287560.3287596."""
