"""The pages: rendered here, readable without JavaScript, live with it."""
