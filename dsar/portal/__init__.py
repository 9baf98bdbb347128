"""The customer's pages about requests, and the home page, which spans all floors."""
