"""One fake host: a directory whose services serve a certificate, with or without a panel; its CA, session and run."""
