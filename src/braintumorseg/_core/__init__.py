"""Ground floor: argument checks, whole-or-nothing files, optional packages, the HTML shell."""
