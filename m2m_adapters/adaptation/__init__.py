"""Statistics of languages from unlabelled foreign text: learned, judged, stored with an adapter."""
