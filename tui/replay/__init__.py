"""The replay of a search without any screen: player, timeline and texts."""
