"""Best tracks: what really happened."""
