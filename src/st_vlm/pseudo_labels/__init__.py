"""Kinematics of videos without 3D labels: objects found in the image, lifted to metres by depth, with known errors.

A clip goes through stages that hand over files: `semantics` (which objects, as masks), `geometry` (depth, lens and
poses), `lifting` (places in the world, smoothed, with their uncertainty) and questions. Nothing but the backends of
the first two needs torch.
"""
