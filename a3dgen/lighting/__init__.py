"""Light: sRGB transfer, fitting a photo's light, shadow maps."""
