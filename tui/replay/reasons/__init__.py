"""Why a search did what it did: what each event compared, changed or counted, as lines."""
