"""Files: shards, images, masks, archives and pickles that execute nothing."""
