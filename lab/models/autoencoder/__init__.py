"""Autoencoders: what a picture is squeezed into, and what it is worth to get it back."""
