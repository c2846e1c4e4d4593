"""Statistics of languages from unlabeled foreign text: learned, judged, stored with an adapter."""
