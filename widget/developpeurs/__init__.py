"""The page where a partner's developer composes the button: which client, modes, words and colours; sees it live; copies its tag."""
