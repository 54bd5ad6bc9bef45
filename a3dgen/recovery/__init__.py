"""From a photo of somebody with limb loss to their own body, and the training of the model that sees the loss."""
