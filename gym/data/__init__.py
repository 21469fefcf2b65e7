"""From labelled imagery to batches: readers, labels, framing, scaling, the dataset, its split and its samples."""
