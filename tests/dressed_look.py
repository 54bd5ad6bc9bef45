"""Looks of one dressed person, as a plan holds them."""

import json

LOOK = {
    "skin": 5,
    "hair": json.dumps({"age": 22, "brows": 0.8, "colour": "brown", "eyes": "brown", "length": 0.6, "stubble": 0.0,
                        "style": "short"}),
    "garments": json.dumps([
        {"colors": [[30, 92, 100], [96, 140, 172], [150, 34, 36]], "fabric": "plain", "fit": 0.0, "kind": "tshirt",
         "lengths": {"left_arm": 0.7, "right_arm": 0.7}, "neck": "v", "seed": 0, "tucked": False},
        {"colors": [[46, 46, 52]], "fabric": "denim", "fit": 0.5, "kind": "shorts",
         "lengths": {"left_leg": 0.8, "right_leg": 0.8}, "seed": 2},
        {"colors": [[36, 34, 34], [34, 52, 104], [112, 110, 70]], "fabric": "plain", "height": "low", "kind": "shoes",
         "seed": 5},
    ]),
    "light": json.dumps({"azimuth": 0.0, "gain": 1.0, "key": 1.0}),
    "look_seed": 5,
}  # fmt: skip
