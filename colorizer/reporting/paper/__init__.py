"""The paper's printed numbers and claims, and the page that judges them."""
