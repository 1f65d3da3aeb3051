"""What is said of the shipped weights: the model card, the list of presets."""
