"""What providers above MAG proved of a person: who said so, when, until when. No birth data, no subject in clear."""
