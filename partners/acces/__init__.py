"""A link in a mail leads through sign-in to the wanted page of a partner: `/acces/<partenaire>`, and the API that makes signed links."""
