"""Compositing: draw the amputee over the plate, behind what stood in front."""
