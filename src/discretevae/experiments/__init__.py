"""From options, which are plain, to a run: its data, its model, its folder."""
