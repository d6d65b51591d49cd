"""Back ends that behave like partners: a CPO and eMSPs that roam through a hub with the partner SDK.

For the demo and for trying a hub out. Every choice follows from a seed, so that a run can be repeated. Nothing here
knows more of the hub than any partner does.
"""
