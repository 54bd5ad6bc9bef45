"""How a person looks: skin, hair, garments, cloth over residual limbs."""
