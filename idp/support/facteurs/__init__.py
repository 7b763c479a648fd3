"""Second factors said lost, as operators settle them."""
