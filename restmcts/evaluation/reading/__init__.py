"""From stored searches to the outcome of each problem, at any budget and by any answer rule."""
