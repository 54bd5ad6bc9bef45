"""Shapes of assistive devices as plain arrays: one swept primitive and the devices that are made of it."""
