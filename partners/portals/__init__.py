"""Two small relying parties on the kit, each on its own origin: documentation, demonstration and end-to-end fixture.

    portail     pure: what a portal is made of, and the rows of rights it shows
    essais      pure: what a developer tries of MAG's button
    views       pages and acts

One application, two settings files, two looks. A portal knows its own customers' names and services; who may do what, it
learns from MAG alone. Left out on purpose: what happens after « Déclarer » and « Payer ».
"""
