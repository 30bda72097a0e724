"""Ways in which a conversion goes wrong, made on purpose: proof that ``validate compare`` sees them."""
