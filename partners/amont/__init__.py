"""MAG as relying party: providers of identity above it (ProConnect, FranceConnect, any OpenID provider), and what they prove of people."""
