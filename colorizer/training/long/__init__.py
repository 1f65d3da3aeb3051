"""The long training of a decoder on a frozen encoder: its samples, features, steps and state."""
