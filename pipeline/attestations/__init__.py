"""What is attested of an image, by which key, and whether it may be used."""
