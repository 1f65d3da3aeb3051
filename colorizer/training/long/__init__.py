"""The long training of a decoder, its encoder's last blocks and a critic: samples, features, steps and state."""
