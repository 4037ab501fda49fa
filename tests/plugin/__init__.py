"""The plugin as pytest sees it: through pytester, on evidence and on real servers."""
