"""English dates as the pages write them: "5 April 2027", "5 April 2027, 16:20"."""

DATE_FORMAT = "j F Y"
DATETIME_FORMAT = "j F Y, H:i"
TIME_FORMAT = "H:i"
