"""The eight processes of Galley, one package each: they share a log and never import each other."""
