"""Mass files that wait for an agreement which no administrator can give: operators read them and answer."""
