"""What the models see: features, labels, folds."""
