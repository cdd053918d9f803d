"""From arguments to what is sent: values by the server's names, and criteria of searches."""
