"""What MAG tells partners' machines: an outbox per kind of notice, and the one engine that empties them all, with retries and leases."""
