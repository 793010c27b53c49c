"""`python -m asset_predict_dagster` is the command `asset-predict`."""

from asset_predict_dagster.cli import main

main()
