"""Makes typical mistakes of conversions on purpose, to prove that ``validate compare`` catches them."""
