"""Assistive devices on people: what is drawn, how it is attached, how people stand and sit with it, what is seen."""
