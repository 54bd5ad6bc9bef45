"""Photo-preserving erasure: takes a limb's end off the person in the photo and closes it with their own pixels."""
