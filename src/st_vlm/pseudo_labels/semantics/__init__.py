"""Which objects a clip shows: backends that find, outline and follow them."""
