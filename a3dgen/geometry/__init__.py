"""Pure geometry on arrays: camera, skeleton and region tables, meshes, rotations, visibility."""
