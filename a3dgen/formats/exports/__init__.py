"""Exports of a finished A3D_Dataset to the formats of neighbouring fields: a table and one file each."""

EXPORTS = {
    "mesh": "a3dgen.formats.exports.mesh:export",
    "coco": "a3dgen.formats.exports.coco:export",
    "webdataset": "a3dgen.formats.exports.webdataset:export",
    "spin": "a3dgen.formats.exports.spin:export",
}
"""name -> ``export(folder, out, subsets, force) -> list of written paths``."""
