"""Exports of a finished A3D_Dataset to the formats of neighbouring fields: a table and one file each."""

EXPORTS = {
    "coco": "a3dgen.formats.exports.coco:export",
    "webdataset": "a3dgen.formats.exports.webdataset:export",
    "spin": "a3dgen.formats.exports.spin:export",
}
"""name -> ``export(folder, out, subsets) -> list of written paths``."""
