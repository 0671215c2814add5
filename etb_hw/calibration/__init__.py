"""How the calibrated resource model is made: blocks drawn and synthesised (rows), and a fit to them."""
