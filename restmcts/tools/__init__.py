"""Tools beside the main job: diagnosis, speed, environment and small models."""
