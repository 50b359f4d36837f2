"""Trees and samples in the forms that other tools take."""
