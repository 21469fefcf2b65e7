"""Pages, figures and tables of datasets, runs, sweeps and evaluations."""
