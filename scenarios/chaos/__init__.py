"""What the case promises while things break."""
