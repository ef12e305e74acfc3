"""The payment provider of team payments: each invoice is paid once, however often it is asked."""
