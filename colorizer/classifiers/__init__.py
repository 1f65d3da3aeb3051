"""ImageNet classifiers and the class vectors they give."""
